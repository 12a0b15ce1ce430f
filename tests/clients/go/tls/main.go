// Connects with go-redis by TLS as each line of its input says, and prints what came of it: tls PORT.
//
// A line is the authority's file, the client's certificate and key, the user and the password, with tabs between.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

func outcome(ctx context.Context, words []string) (string, error) {
	authority, err := os.ReadFile(words[0])
	if err != nil {
		return "", err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	if words[1] != "" {
		pair, err := tls.LoadX509KeyPair(words[1], words[2])
		if err != nil {
			return "", err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	client := redis.NewClient(&redis.Options{
		Addr: "localhost:" + os.Args[1], Username: words[3], Password: words[4],
		TLSConfig: config, MaxRetries: -1, DialerRetries: 1,
	})
	defer client.Close()
	replies, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for range 1000 {
			pipe.Get(ctx, "text")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return replies[999].(*redis.StringCmd).Val(), nil
}

func main() {
	logging.Disable() // what fails is printed here
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		value, err := outcome(context.Background(), strings.Split(lines.Text(), "\t"))
		if err != nil {
			fmt.Println("error:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("value:", value)
		}
	}
}
