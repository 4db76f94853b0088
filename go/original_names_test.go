package fastway

import (
	"errors"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

func TestAServerWithAnotherKeyGetsTheErrorsOfBothNames(t *testing.T) {
	gateway := gatewaytest.Start(t)
	cfg := originalCfg()
	cfg.AuthKey = "wrong"
	server, err := DialServer("tcp", gateway.Server, cfg)
	if server != nil || !errors.Is(err, ErrServerAuthFailed) || !errors.Is(err, ErrWrongKey) {
		t.Errorf("%v, %v", server, err)
	}
	if server, err := DialServer("tcp", "127.0.0.1:1", cfg); server != nil || errors.Is(err, ErrServerAuthFailed) {
		t.Errorf("where nobody is: %v, %v", server, err)
	}
}

func TestTheEndPointTimerClosesChannelsWhenTheirTimeIsOver(t *testing.T) {
	began := time.Now()
	<-EndPointTimer.After(20 * time.Millisecond)
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	later := EndPointTimer.After(time.Hour)
	select {
	case <-later:
		t.Error("an hour is over")
	default:
	}
}

func TestAStoppedTimerClosesNoMoreChannels(t *testing.T) {
	stopped, other := new(Timer), new(Timer)
	over := stopped.After(time.Millisecond)
	stopped.Stop()
	<-other.After(20 * time.Millisecond)
	select {
	case <-over:
		t.Error("the channel was closed")
	default:
	}
}
