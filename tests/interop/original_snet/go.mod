module original_snet

go 1.24
