package apiserver

// FieldBounds is what is added to the generated definitions.
var FieldBounds = fieldBounds
