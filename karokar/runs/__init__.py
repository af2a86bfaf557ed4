"""Long work with progress: imports, exports, bulk changes, replays. Belongs to no context."""
