"""What two or more command-line modules share. Nothing here imports a command-line module."""
