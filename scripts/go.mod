module fastway/scripts

go 1.26
