"""Whether a bound ranks configurations as training does, and which of its parts is to blame if not."""
