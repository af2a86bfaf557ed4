"""What all pages share: guard, shell, errors, forms, lists, exports."""
