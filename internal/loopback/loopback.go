// Package loopback says which hosts are this machine only. Open access, unencrypted webhooks, profiles and a broker
// without a secret all hang on that one question. It imports nothing of ours.
package loopback

import "net"

// Is reports whether host, without a port, is reached from this machine only: "localhost" or a loopback address. No
// other name is asked for, because its answer is somebody else's.
func Is(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
