"""What every part may use and nobody owns. Imports nothing else of karokar."""
