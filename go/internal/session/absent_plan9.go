package session

// NobodyListens is never known: errors have no numbers.
func NobodyListens(error) bool { return false }
