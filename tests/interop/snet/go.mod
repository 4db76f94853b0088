module fastway/tests/interop/snet

go 1.21
