"""Object storage: bytes under a name. A folder of the data folder for now; S3 takes the same face later."""
