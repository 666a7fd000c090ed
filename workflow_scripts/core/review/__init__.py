"""What a run would do, as a page to look at before it is started."""
