// What a program with go-redis does at a replica, in RESP2 and RESP3: main MASTER_PORT REPLICA_PORT.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(got, want any) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		panic(fmt.Sprintf("got %v, want %v", got, want))
	}
}

func field(client *redis.Client, name string) string {
	info, err := client.Info(ctx, "replication").Result()
	must(err)
	for _, line := range strings.Split(info, "\r\n") {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return value
		}
	}
	return ""
}

func caughtUp(master, replica *redis.Client) {
	for range 6000 {
		if field(master, "master_repl_offset") == field(replica, "slave_repl_offset") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	panic("the replica never caught up")
}

func fill(master *redis.Client) {
	must(master.FlushAll(ctx).Err())
	_, err := master.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, "text", "value", 0)
		pipe.HSet(ctx, "hash", "one", "1", "two", "2")
		for n := range 100 {
			pipe.ZAdd(ctx, "zset", redis.Z{Score: float64(n) / 2, Member: fmt.Sprintf("m%d", n)})
		}
		for n := range 1000 {
			pipe.Set(ctx, fmt.Sprintf("many:%d", n), n, 0)
		}
		return nil
	})
	must(err)
}

func check(replica *redis.Client) {
	text, err := replica.Get(ctx, "text").Result()
	must(err)
	expect(text, "value")
	_, err = replica.Get(ctx, "missing").Result()
	expect(err, redis.Nil)
	one, err := replica.HGet(ctx, "hash", "one").Result()
	must(err)
	expect(one, "1")
	all, err := replica.HGetAll(ctx, "hash").Result()
	must(err)
	expect(all, map[string]string{"one": "1", "two": "2"})
	low, err := replica.ZRangeWithScores(ctx, "zset", 0, 1).Result()
	must(err)
	expect(low, []redis.Z{{Score: 0, Member: "m0"}, {Score: 0.5, Member: "m1"}})
	members, err := replica.ZRange(ctx, "zset", 0, 2).Result()
	must(err)
	expect(members, []string{"m0", "m1", "m2"})

	seen := map[string]bool{}
	keys := replica.Scan(ctx, 0, "many:*", 50).Iterator()
	for keys.Next(ctx) {
		seen[keys.Val()] = true
	}
	must(keys.Err())
	expect(len(seen), 1000)

	replies, err := replica.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range 500 {
			pipe.Get(ctx, fmt.Sprintf("many:%d", n))
		}
		return nil
	})
	must(err)
	expect(replies[499].(*redis.StringCmd).Val(), "499")
	replies, err = replica.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Get(ctx, "text")
		pipe.HLen(ctx, "hash")
		return nil
	})
	must(err)
	expect(replies[1].(*redis.IntCmd).Val(), 2)
	err = replica.Watch(ctx, func(tx *redis.Tx) error {
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Get(ctx, "text")
			return nil
		})
		return err
	}, "text")
	must(err)

	err = replica.Set(ctx, "text", "other", 0).Err()
	if err == nil || !strings.HasPrefix(err.Error(), "READONLY ") {
		panic(fmt.Sprintf("a write got %v", err))
	}
	expect(field(replica, "role"), "slave")
	expect(field(replica, "master_link_status"), "up")
}

// What comes from the master by way of the replica, to those who wait for it.
func waits(master, replica *redis.Client) {
	expect(replica.EvalRO(ctx, "return redis.call('GET', KEYS[1])", []string{"text"}).Val(), "value")
	script := redis.NewScript("return {redis.call('HLEN', KEYS[1]), ARGV[1]}")
	for range 2 {
		expect(script.RunRO(ctx, replica, []string{"hash"}, "told").Val(), []any{int64(2), "told"})
	}
	err := replica.Eval(ctx, "return redis.call('DEL', KEYS[1])", []string{"text"}).Err()
	if err == nil || !strings.Contains(err.Error(), "READONLY") {
		panic(fmt.Sprintf("a script that writes got %v", err))
	}
	err = replica.Watch(ctx, func(tx *redis.Tx) error {
		must(master.Set(ctx, "watched", "1", 0).Err())
		caughtUp(master, replica)
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error { return pipe.Get(ctx, "watched").Err() })
		return err
	}, "watched")
	expect(err, redis.TxFailedErr)

	came := make(chan []redis.XStream)
	go func() {
		streams, err := replica.XRead(ctx, &redis.XReadArgs{Streams: []string{"stream", "$"}, Block: 0}).Result()
		must(err)
		came <- streams
	}()
	for !strings.Contains(replica.Info(ctx, "clients").Val(), "blocked_clients:1\r") {
		time.Sleep(time.Millisecond)
	}
	must(master.XAdd(ctx, &redis.XAddArgs{Stream: "stream", ID: "1-1", Values: []string{"field", "value"}}).Err())
	expect(<-came, []redis.XStream{{Stream: "stream", Messages: []redis.XMessage{{ID: "1-1", Values: map[string]any{"field": "value"}}}}})

	messages := replica.Subscribe(ctx, "news")
	defer messages.Close()
	_, err = messages.Receive(ctx)
	must(err)
	must(messages.PSubscribe(ctx, "n*s"))
	_, err = messages.Receive(ctx)
	must(err)
	must(messages.Ping(ctx, "still there"))
	_, err = messages.Receive(ctx)
	must(err)
	must(master.Publish(ctx, "news", "hello").Err())
	for _, want := range []string{"Message<news: hello>", "Message<news: hello>"} {
		message, err := messages.ReceiveMessage(ctx)
		must(err)
		expect(message.String(), want)
	}
	must(replica.ConfigSet(ctx, "notify-keyspace-events", "Kx$").Err())
	must(messages.Subscribe(ctx, "__keyspace@0__:event"))
	_, err = messages.Receive(ctx)
	must(err)
	must(master.Set(ctx, "event", "1", 0).Err())
	message, err := messages.ReceiveMessage(ctx)
	must(err)
	expect(message.String(), "Message<__keyspace@0__:event: set>")
	must(replica.ConfigSet(ctx, "notify-keyspace-events", "").Err())
}

func main() {
	master := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]})
	for _, protocol := range []int{2, 3} {
		fill(master)
		replica := redis.NewClient(&redis.Options{
			Addr: "127.0.0.1:" + os.Args[2], Protocol: protocol, ClientName: "probe", MaxRetries: -1,
		})
		caughtUp(master, replica)
		check(replica)
		waits(master, replica)
	}
	fmt.Println("go-redis", redis.Version(), "ok")
}
