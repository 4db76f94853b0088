package session

// nobodyListens is never known: errors have no numbers.
func nobodyListens(error) bool { return false }
