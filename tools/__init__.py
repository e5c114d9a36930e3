"""What is run by hand to make files of the repository; nothing of it is installed."""
