"""What is drawn of a leaderboard: each plot, how all are styled and saved."""
