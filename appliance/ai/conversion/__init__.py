"""Weights of other formats into ONNX graphs: once, when a model is installed.

`ctranslate2` and `torch_archive` read the formats without their libraries; `graph_builder` writes nodes; `whisper`,
`ge2e` and `zero_dce` are the ``conversion`` of catalog entries, ``function(sources, folder)``. They need the package
``onnx``, which nothing else does; without it they raise ConfigError that says how to install it.
"""
