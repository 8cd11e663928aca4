module kfake.test/interop/confluent-go

go 1.26.0

require (
	github.com/confluentinc/confluent-kafka-go v1.9.2
	github.com/confluentinc/confluent-kafka-go/v2 v2.11.1
	kfake.test/interop v0.0.0
)

replace kfake.test/interop => ../go
