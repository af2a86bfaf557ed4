"""Who is told of what: in the console and by e-mail."""
