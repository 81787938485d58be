enum BuiltinEmbedding { static let dimensionsMax = 4096 }
