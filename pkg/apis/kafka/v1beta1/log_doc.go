package v1beta1

// SwaggerDoc describes the options in OpenAPI: descriptions of parameters are read from it, and not from the comments.
func (KafkaTopicLogOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"":          "KafkaTopicLogOptions are the query options of the log of a KafkaTopic.",
		"partition": "partition to read; left out, all of them.",
		"offset":    "offset to begin at: earliest, latest, or a number, which needs a partition. Defaults to earliest. Excludes since and tail.",
		"since":     "since is the time to begin at: RFC 3339, or how long ago, such as 90s or 2h. Excludes offset and tail.",
		"tail":      "tail begins with the last records of each partition that is read, this many of them. Excludes offset and since.",
		"limit":     "limit ends the stream after this many records in all.",
		"follow":    "follow keeps the stream open for records as they are committed.",
		"output":    "output is json for a JSON object a line, or value for the values alone. Defaults to json.",
	}
}
