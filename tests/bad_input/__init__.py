"""What gets nowhere: tables of it, makers of it, and every door that it is tried at."""
