module fastway

go 1.24
