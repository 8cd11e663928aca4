module kfake.test/interop/kafka-go

go 1.26.0

require (
	github.com/segmentio/kafka-go v0.4.51
	kfake.test/interop v0.0.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
)

replace kfake.test/interop => ../go
