// Package samples makes small files for tests: pictures that carry every kind of metadata that cameras and editors leave
// in them. Each piece that must not survive cleaning contains the word Secret.
package samples

import (
	"image"
	"image/color"
)

// Secret is in every piece of metadata.
const Secret = "SECRET"

// The corners of Scene.
var (
	TopLeft     = color.NRGBA{R: 230, G: 20, B: 20, A: 255}
	TopRight    = color.NRGBA{R: 20, G: 200, B: 20, A: 255}
	BottomLeft  = color.NRGBA{R: 20, G: 20, B: 230, A: 255}
	BottomRight = color.NRGBA{R: 240, G: 240, B: 60, A: 255}
)

// Scene is a picture with one colour in each quarter, so that every wrong turn shows.
func Scene(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := TopLeft
			switch right, bottom := x >= width/2, y >= height/2; {
			case right && bottom:
				c = BottomRight
			case right:
				c = TopRight
			case bottom:
				c = BottomLeft
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// stored is the scene as a camera with the given EXIF orientation stores it. The standard says which side of the scene
// the stored row 0 and column 0 are (CIPA DC-008, 4.6.5.1.6).
func stored(scene image.Image, orientation int) *image.NRGBA {
	const top, right, bottom, left = 0, 1, 2, 3
	sides := [9][2]int{ // row 0, column 0
		1: {top, left}, 2: {top, right}, 3: {bottom, right}, 4: {bottom, left},
		5: {left, top}, 6: {right, top}, 7: {right, bottom}, 8: {left, bottom},
	}[orientation]
	w, h := scene.Bounds().Dx(), scene.Bounds().Dy()
	rows, cols := h, w
	if sides[0] == left || sides[0] == right {
		rows, cols = w, h
	}
	img := image.NewNRGBA(image.Rect(0, 0, cols, rows))
	for row := range rows {
		for col := range cols {
			var x, y int
			for side, n := range map[int]int{sides[0]: row, sides[1]: col} {
				switch side {
				case top:
					y = n
				case bottom:
					y = h - 1 - n
				case left:
					x = n
				case right:
					x = w - 1 - n
				}
			}
			img.Set(col, row, scene.At(x, y))
		}
	}
	return img
}
