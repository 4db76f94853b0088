module fastway

go 1.25
