"""What people may ask of the models: a question with a sound or a picture, and its answer.

Owns how a question of the API becomes requests of one or more models (`asking`), what may be said with it (`options`),
and what is answered (`answers`); the same for one request, a batch, and a job. Refuses to know HTTP and the models.
Nothing is decoded here: what strangers send is opened in the inference worker, which may die of it.
"""
