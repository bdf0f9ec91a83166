// Package records reads and writes tenants and destinations in the form of one release, over a connection for each command.
package records

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Key is the name of a part of a tenant.
func Key(tenant, part string) string {
	if !Legacy {
		return "tenant:{" + tenant + "}:" + part
	}
	if part == "tenant" {
		return "tenant:" + tenant
	}
	return "tenant:" + tenant + ":" + part
}

// Put writes a record with what this release puts into each of a kind.
func Put(key, kind, id string) error {
	now := time.Now().UTC()
	words := []string{"HSET", key, "id", id, "created_at", now.Format(time.RFC3339)}
	if !Legacy {
		words = []string{"HSET", key, "id", id, "created_at", strconv.FormatInt(now.UnixMilli(), 10), "entity", kind}
	}
	_, err := Send(words...)
	return err
}

// Send sends a command and returns what is in its answer, as text.
func Send(words ...string) ([]string, error) {
	connection, err := net.Dial("tcp", os.Getenv("REDIS_HOST")+":"+os.Getenv("REDIS_PORT"))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	fmt.Fprintf(connection, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(connection, "$%d\r\n%s\r\n", len(word), word)
	}
	return read(bufio.NewReader(connection))
}

func read(from *bufio.Reader) ([]string, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return nil, err
	}
	rest := strings.TrimSpace(line[1:])
	switch line[0] {
	case '-':
		return nil, fmt.Errorf("%s", rest)
	case '$':
		length, _ := strconv.Atoi(rest)
		if length < 0 {
			return nil, nil
		}
		text := make([]byte, length+2)
		_, err := io.ReadFull(from, text)
		return []string{string(text[:length])}, err
	case '*':
		count, _ := strconv.Atoi(rest)
		all := []string{}
		for i := 0; i < count; i++ {
			one, err := read(from)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	return []string{rest}, nil
}
