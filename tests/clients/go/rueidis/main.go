// What a program with rueidis does at a replica, in RESP2 and RESP3: rueidis MASTER_PORT REPLICA_PORT.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

var ctx, cancel = context.WithTimeout(context.Background(), 60*time.Second)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("got %v, want %v", got, want))
	}
}

func value[T any](value T, err error) T {
	must(err)
	return value
}

func open(port string, option rueidis.ClientOption) rueidis.Client {
	option.InitAddress = []string{"127.0.0.1:" + port}
	return value(rueidis.NewClient(option))
}

func fill(master rueidis.Client) {
	must(master.Do(ctx, master.B().Flushall().Build()).Error())
	commands := rueidis.Commands{
		master.B().Set().Key("text").Value("value").Build(),
		master.B().Hset().Key("hash").FieldValue().FieldValue("one", "1").FieldValue("two", "2").Build(),
		master.B().Zadd().Key("zset").ScoreMember().ScoreMember(0.5, "a").ScoreMember(1, "b").Build(),
		master.B().Xadd().Key("stream").Id("1-1").FieldValue().FieldValue("field", "value").Build(),
	}
	for n := range 1000 {
		commands = append(commands, master.B().Set().Key(fmt.Sprintf("many:%d", n)).Value(fmt.Sprint(n)).Build())
	}
	for _, done := range master.DoMulti(ctx, commands...) {
		must(done.Error())
	}
	settled(master)
}

// The replica says that it has applied all that the master has written.
func settled(master rueidis.Client) {
	done := master.DoMulti(ctx, master.B().Set().Key("last").Value("one").Build(),
		master.B().Wait().Numreplicas(1).Timeout(30_000).Build())
	expect(value(done[1].AsInt64()), int64(1))
}

func reads(replica rueidis.Client) {
	b := replica.B
	expect(value(replica.Do(ctx, b().Get().Key("text").Build()).ToString()), "value")
	expect(rueidis.IsRedisNil(replica.Do(ctx, b().Get().Key("missing").Build()).Error()), true)
	expect(value(replica.Do(ctx, b().Hgetall().Key("hash").Build()).AsStrMap()), map[string]string{"one": "1", "two": "2"})
	expect(value(replica.Do(ctx, b().Zrange().Key("zset").Min("0").Max("-1").Withscores().Build()).AsZScores()),
		[]rueidis.ZScore{{Member: "a", Score: 0.5}, {Member: "b", Score: 1}})
	entries := value(replica.Do(ctx, b().Xrange().Key("stream").Start("-").End("+").Build()).AsXRange())
	expect(entries, []rueidis.XRangeEntry{{ID: "1-1", FieldValues: map[string]string{"field": "value"}}})
	seen := map[string]bool{}
	for cursor := uint64(0); ; {
		part := value(replica.Do(ctx, b().Scan().Cursor(cursor).Match("many:*").Count(50).Build()).AsScanEntry())
		for _, key := range part.Elements {
			seen[key] = true
		}
		if cursor = part.Cursor; cursor == 0 {
			break
		}
	}
	expect(len(seen), 1000)
	var gets rueidis.Commands
	for n := range 1000 {
		gets = append(gets, b().Get().Key(fmt.Sprintf("many:%d", n)).Build())
	}
	for n, got := range replica.DoMulti(ctx, gets...) {
		expect(value(got.ToString()), fmt.Sprint(n))
	}
	err := replica.Do(ctx, b().Set().Key("text").Value("other").Build()).Error()
	expect(err.Error(), "READONLY You can't write against a read only replica.")
	script := rueidis.NewLuaScriptReadOnly("return {redis.call('GET', KEYS[1]), ARGV[1]}")
	for range 2 {
		expect(value(script.Exec(ctx, replica, []string{"text"}, []string{"told"}).AsStrSlice()), []string{"value", "told"})
	}
	info := value(replica.Do(ctx, b().Info().Section("replication").Build()).ToString())
	expect(strings.Contains(info, "role:slave"), true)
}

func waits(master, replica rueidis.Client) {
	came := make(chan map[string][]rueidis.XRangeEntry)
	go func() {
		came <- value(replica.Do(ctx, replica.B().Xread().Block(0).Streams().Key("stream").Id("1-1").Build()).AsXRead())
	}()
	for {
		info := value(replica.Do(ctx, replica.B().Info().Section("clients").Build()).ToString())
		if strings.Contains(info, "blocked_clients:1\r") {
			break
		}
		time.Sleep(time.Millisecond)
	}
	must(master.Do(ctx, master.B().Xadd().Key("stream").Id("2-1").FieldValue().FieldValue("more", "told").Build()).Error())
	expect(<-came, map[string][]rueidis.XRangeEntry{"stream": {{ID: "2-1", FieldValues: map[string]string{"more": "told"}}}})

	messages := make(chan rueidis.PubSubMessage, 10)
	ready := make(chan bool, 10)
	dedicated, release := replica.Dedicate()
	defer release()
	ended := dedicated.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage:      func(message rueidis.PubSubMessage) { messages <- message },
		OnSubscription: func(rueidis.PubSubSubscription) { ready <- true },
	})
	must(dedicated.Do(ctx, replica.B().Subscribe().Channel("news").Build()).Error())
	must(dedicated.Do(ctx, replica.B().Psubscribe().Pattern("n*s").Build()).Error())
	<-ready
	<-ready
	must(master.Do(ctx, master.B().Publish().Channel("news").Message("hello").Build()).Error())
	expect(<-messages, rueidis.PubSubMessage{Channel: "news", Message: "hello"})
	expect(<-messages, rueidis.PubSubMessage{Pattern: "n*s", Channel: "news", Message: "hello"})
	dedicated.Close()
	<-ended
}

// Reads that rueidis answers by itself, until it is told that the master wrote.
func cached(port string, master rueidis.Client) {
	gone := make(chan string, 100)
	replica := open(port, rueidis.ClientOption{
		PipelineMultiplex: -1, // one connection, which hears of all keys
		OnInvalidations: func(messages []rueidis.RedisMessage) {
			if messages == nil {
				gone <- "everything"
			}
			for _, message := range messages {
				gone <- value(message.ToString())
			}
		},
	})
	get := func() (string, bool) {
		got := replica.DoCache(ctx, replica.B().Get().Key("text").Cache(), time.Hour)
		return value(got.ToString()), got.IsCacheHit()
	}
	for turn := range 3 {
		text, hit := get()
		expect(text, "value")
		expect(hit, turn > 0)
	}
	must(master.Do(ctx, master.B().Set().Key("text").Value("changed").Build()).Error())
	expect(<-gone, "text")
	text, hit := get()
	expect(text, "changed")
	expect(hit, false)
	hash := func() map[string]string {
		return value(replica.DoCache(ctx, replica.B().Hgetall().Key("hash").Cache(), time.Hour).AsStrMap())
	}
	expect(hash(), map[string]string{"one": "1", "two": "2"})
	must(master.Do(ctx, master.B().Hset().Key("hash").FieldValue().FieldValue("two", "3").Build()).Error())
	expect(<-gone, "hash")
	expect(hash(), map[string]string{"one": "1", "two": "3"})
	// A deadline of the master's is one of the cache too: it asks for PTTL beside the value.
	must(master.Do(ctx, master.B().Set().Key("brief").Value("x").PxMilliseconds(3_600_000).Build()).Error())
	settled(master)
	brief := replica.DoCache(ctx, replica.B().Get().Key("brief").Cache(), 2*time.Hour)
	expect(value(brief.ToString()), "x")
	expect(brief.CachePTTL() > 0 && brief.CachePTTL() <= 3_600_000, true)
	several := replica.DoMultiCache(ctx, rueidis.CT(replica.B().Get().Key("text").Cache(), time.Hour),
		rueidis.CT(replica.B().Get().Key("many:7").Cache(), time.Hour))
	expect(several[0].IsCacheHit(), true)
	expect(value(several[1].ToString()), "7")
	must(master.Do(ctx, master.B().Flushall().Build()).Error())
	for found := ""; found != "everything"; found = <-gone {
	}
	expect(hash(), map[string]string{})
	replica.Close()
}

func main() {
	defer cancel()
	master := open(os.Args[1], rueidis.ClientOption{DisableCache: true})
	for _, resp2 := range []bool{true, false} {
		fill(master)
		option := rueidis.ClientOption{AlwaysRESP2: resp2, DisableCache: resp2, ClientName: "probe", ClientNoTouch: true}
		replica := open(os.Args[2], option)
		reads(replica)
		waits(master, replica)
		replica.Close()
	}
	cached(os.Args[2], master)
	fmt.Println("rueidis ok")
}
