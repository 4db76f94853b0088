module original

go 1.24
