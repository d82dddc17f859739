package media

import (
	"image"
	"image/draw"
)

// upright turns a picture so that EXIF orientation o becomes 1, in its own colour model: nothing is converted, and
// chroma stays at its own resolution.
func upright(img image.Image, o int) image.Image {
	b := img.Bounds()
	to := image.Rect(0, 0, b.Dx(), b.Dy())
	if o >= 5 {
		to = image.Rect(0, 0, b.Dy(), b.Dx())
	}
	switch src := img.(type) {
	case *image.YCbCr:
		if ratio, ok := turnedRatio(src.SubsampleRatio, o); ok {
			return turnYCbCr(src, image.NewYCbCr(to, ratio), o)
		}
	case *image.Gray:
		dst := image.NewGray(to)
		turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 1, o)
		return dst
	case *image.Gray16:
		dst := image.NewGray16(to)
		turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 2, o)
		return dst
	case *image.Paletted:
		dst := image.NewPaletted(to, src.Palette)
		turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 1, o)
		return dst
	case *image.RGBA:
		dst := image.NewRGBA(to)
		turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 4, o)
		return dst
	case *image.RGBA64:
		dst := image.NewRGBA64(to)
		turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 8, o)
		return dst
	case *image.NRGBA64:
		dst := image.NewNRGBA64(to)
		turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 8, o)
		return dst
	}
	src, ok := img.(*image.NRGBA)
	if !ok { // CMYK, a picture with an alpha plane, rare samplings of chroma
		src = image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(src, src.Rect, img, b.Min, draw.Src)
	}
	dst := image.NewNRGBA(to)
	turn(plane{dst.Pix, dst.Stride}, plane{src.Pix, src.Stride}, b.Dx(), b.Dy(), 4, o)
	return dst
}

// turnedRatio is how chroma is sampled after the turn; false where Go has no name for it.
func turnedRatio(r image.YCbCrSubsampleRatio, o int) (image.YCbCrSubsampleRatio, bool) {
	switch {
	case o < 5 || r == image.YCbCrSubsampleRatio444 || r == image.YCbCrSubsampleRatio420:
		return r, true
	case r == image.YCbCrSubsampleRatio422:
		return image.YCbCrSubsampleRatio440, true
	case r == image.YCbCrSubsampleRatio440:
		return image.YCbCrSubsampleRatio422, true
	}
	return r, false
}

func turnYCbCr(src, dst *image.YCbCr, o int) image.Image {
	width, height := src.Rect.Dx(), src.Rect.Dy()
	turn(plane{dst.Y, dst.YStride}, plane{src.Y, src.YStride}, width, height, 1, o)
	cols, rows := chroma(src.SubsampleRatio, width, height)
	turn(plane{dst.Cb, dst.CStride}, plane{src.Cb, src.CStride}, cols, rows, 1, o)
	turn(plane{dst.Cr, dst.CStride}, plane{src.Cr, src.CStride}, cols, rows, 1, o)
	return dst
}

// chroma is the size of a chroma plane.
func chroma(r image.YCbCrSubsampleRatio, width, height int) (cols, rows int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return (width + 1) / 2, height
	case image.YCbCrSubsampleRatio420:
		return (width + 1) / 2, (height + 1) / 2
	case image.YCbCrSubsampleRatio440:
		return width, (height + 1) / 2
	case image.YCbCrSubsampleRatio411:
		return (width + 3) / 4, height
	case image.YCbCrSubsampleRatio410:
		return (width + 3) / 4, (height + 1) / 2
	}
	return width, height
}

type plane struct {
	pix    []byte
	stride int
}

// turn fills dst from src, which is width x height pixels of size bytes. The orientations above 4 swap the axes; 2, 3, 7
// and 8 then read columns from the right, 3, 4, 6 and 7 rows from the bottom.
func turn(dst, src plane, width, height, size, o int) {
	cols, rows := width, height
	if o >= 5 {
		cols, rows = height, width
	}
	fromRight := o == 2 || o == 3 || o == 7 || o == 8
	fromBottom := o == 3 || o == 4 || o == 6 || o == 7
	for y := range rows {
		for x := range cols {
			sx, sy := x, y
			if o >= 5 {
				sx, sy = y, x
			}
			if fromRight {
				sx = width - 1 - sx
			}
			if fromBottom {
				sy = height - 1 - sy
			}
			from := sy*src.stride + sx*size
			copy(dst.pix[y*dst.stride+x*size:][:size], src.pix[from:from+size])
		}
	}
}
