"""Object storage: bytes under a name, in a folder (`folder`) or at an S3-compatible service (`s3`), with the same face
(`storage`)."""
