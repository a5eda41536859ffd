"""What tables may claim: intervals, paired differences, tests across targets, ranks. Arrays in, numbers out."""
