"""What notification decides: whom it tells what, in which words, and when it tries again."""
