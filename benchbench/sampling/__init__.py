"""Which samples an episode holds, as indices alone: no sample is touched before an episode's indices are known."""
