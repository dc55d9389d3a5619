"""A picture from a stranger into an avatar; pure, but slow: run it in a thread.

Owns the bounds and the re-encoding. What comes out was drawn pixel by pixel by us: no metadata (EXIF holds where a
photograph was taken), no second format hidden behind the first.
"""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageOps

from appliance.errors import UserError

# The largest tile shows it at 128 CSS pixels; twice that for dense screens.
SIZE = 256
# A photograph of a present telephone has 12 to 50 megapixels; 50 in RGB take 150 MB for a moment, one at a time.
MAX_PIXELS = 50_000_000
# Formats that browsers make and show; Pillow knows forty more, each a parser that a stranger could attack.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
# https://developers.google.com/speed/webp/docs/cwebp: 75 is the default; faces at this size profit from a little more.
_QUALITY = 82

# Our own bound is checked before a pixel is decoded; Pillow's only warns.
Image.MAX_IMAGE_PIXELS = None


def make_avatar_untrusted(data: bytes) -> bytes:
    """A 256×256 WebP of the picture's middle. UserError 400 ``invalid_image``."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise UserError(
                    400,
                    "invalid_image",
                    f"the picture has {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} million",
                    field="avatar",
                )
            picture.draft("RGB", (2 * SIZE, 2 * SIZE))  # JPEG: decoded at a fraction of its size
            upright = ImageOps.exif_transpose(picture)
            fitted = ImageOps.fit(upright.convert("RGBA"), (SIZE, SIZE), Image.Resampling.LANCZOS)
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(400, "invalid_image", "this is no JPEG, PNG, WebP or GIF picture", field="avatar") from error
    clean = Image.new("RGBA", (SIZE, SIZE))
    clean.paste(fitted)
    out = io.BytesIO()
    clean.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue()
