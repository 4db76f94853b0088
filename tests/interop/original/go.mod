module original

go 1.25
