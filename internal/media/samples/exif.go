package samples

import (
	"bytes"
	"encoding/binary"
)

// EXIF is a TIFF block with the camera, the orientation and a place on earth.
func EXIF(orientation int, order binary.AppendByteOrder) []byte {
	const (
		ascii, short, long, rational      = 2, 3, 4, 5
		cameraTag, orientationTag, gpsTag = 0x010F, 0x0112, 0x8825
		latitudeRefTag, latitudeTag       = 1, 2
	)
	camera := Secret + " camera\x00"
	var b []byte
	u16 := func(v int) { b = order.AppendUint16(b, uint16(v)) }
	u32 := func(v int) { b = order.AppendUint32(b, uint32(v)) }
	entry := func(tag, kind, count int) { u16(tag); u16(kind); u32(count) }

	b = append(b, "II"...)
	if bytes.Equal(order.AppendUint16(nil, 1), []byte{0, 1}) {
		b = []byte("MM")
	}
	u16(42)
	u32(8)
	const ifd, gps = 8, 8 + 2 + 3*12 + 4
	const place = gps + 2 + 2*12 + 4
	u16(3)
	entry(cameraTag, ascii, len(camera))
	u32(place + 24)
	entry(orientationTag, short, 1)
	u16(orientation)
	u16(0)
	entry(gpsTag, long, 1)
	u32(gps)
	u32(0)
	u16(2)
	entry(latitudeRefTag, ascii, 2)
	b = append(b, "N\x00\x00\x00"...)
	entry(latitudeTag, rational, 3)
	u32(place)
	u32(0)
	for _, v := range [][2]int{{52, 1}, {31, 1}, {12345, 1000}} {
		u32(v[0])
		u32(v[1])
	}
	return append(b, camera...)
}

const xmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>` + Secret + `</rdf:RDF></x:xmpmeta>`
