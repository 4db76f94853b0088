package session

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestDelaysDoubleAndDependOnHowLongAnswersTook(t *testing.T) {
	for _, c := range []struct {
		answers                []answerTimes
		unconnected, connected time.Duration
	}{
		{nil, 1000 * ms, 1000 * ms},
		{[]answerTimes{{0, 0}}, 1000 * ms, 500 * ms},
		{[]answerTimes{{5 * ms, 10 * ms}}, 1000 * ms, 500 * ms},
		{[]answerTimes{{700 * ms, 900 * ms}}, 2100 * ms, 1800 * ms},
		{[]answerTimes{{5 * ms, 10 * ms}, {700 * ms, 900 * ms}}, 2100 * ms, 1800 * ms},
		{[]answerTimes{{1000 * ms, 1000 * ms}, {200 * ms, 200 * ms}}, 1800 * ms, 1200 * ms},
	} {
		var times answerTimes
		for _, answer := range c.answers {
			times.learn(answer.connect, answer.reply)
		}
		for range 100 {
			delays := times.firstDelays(time.Minute)
			for _, growth := range []time.Duration{1, 2, 4} {
				next := delays.next(time.Now())
				if most := growth * c.unconnected; next.unconnected < most/2 || next.unconnected > most {
					t.Fatalf("%v without a connection, after answers in %v", next.unconnected, c.answers)
				}
				if least := growth * c.connected; next.connected < least || next.connected > least*3/2 {
					t.Fatalf("%v with a connection, after answers in %v", next.connected, c.answers)
				}
			}
		}
	}
}

func TestNoDelayIsLongerThanTheTimeOfAnAttempt(t *testing.T) {
	delays := answerTimes{time.Minute, time.Minute}.firstDelays(time.Second)
	if next := delays.next(time.Now()); next.unconnected > time.Second || next.connected > 3*time.Second/2 {
		t.Errorf("%+v", next)
	}
}

func TestTheDelayCountsFromTheNewestConnectionAndIsTwiceWhatThatTookAtLeast(t *testing.T) {
	began := time.Now()
	beside := due{at: began, isBeside: true, unconnected: 1000 * ms, connected: 500 * ms}
	after := func(times time.Duration) *try { return &try{connected: began.Add(times), dialTook: 10 * ms} }
	slow := after(1200 * ms)
	slow.dialTook = 1200 * ms
	for _, c := range []struct {
		due    due
		newest *try
		want   time.Duration
	}{
		{beside, nil, 1000 * ms},
		{beside, after(-2000 * ms), 500 * ms},
		{beside, after(800 * ms), 1300 * ms},
		{beside, slow, 3600 * ms},
		{dueAt(began), slow, 0},
	} {
		if is := c.due.time(c.newest).Sub(began); is != c.want {
			t.Errorf("%+v is due after %v; the newest connection is %+v", c.due, is, c.newest)
		}
	}
}

func TestTheNewestConnectionIsNotThatOfTheNewestAttempt(t *testing.T) {
	now := time.Now()
	newest := &try{connected: now}
	s := &Stream{tries: []*try{{connected: now.Add(-time.Second)}, newest, {connected: now.Add(-time.Minute)}, {}}}
	if is := s.newestConnected(); is != newest {
		t.Errorf("%+v", is)
	}
	s.tries = []*try{{}}
	if is := s.newestConnected(); is != nil {
		t.Errorf("%+v", is)
	}
}
