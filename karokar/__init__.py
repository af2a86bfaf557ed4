"""KaroKar: companies book vehicles for their employees, vendors rent them out, and everybody sees what happened."""
