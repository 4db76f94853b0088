package fastway

import (
	"errors"
	"testing"
	"time"

	"fastway/internal/session"
)

func drainedLink() error {
	return lostLink(&session.AbortedError{Reason: session.AbortShutdown})
}

func refusedConnect(status session.Status) error {
	return &ConnectError{StepSession, "client", sessionError(&session.RefusedError{Status: status})}
}

func threeGateways() *Gateways { return &Gateways{Addresses: []string{"a:1", "b:1", "c:1"}} }

func expectPause(t *testing.T, pause, least, most time.Duration) {
	t.Helper()
	if pause < least || pause > most {
		t.Errorf("the pause is %v, want %v to %v", pause, least, most)
	}
}

func TestClientsThatAreToldOfADrainGoToAllOtherGatewaysOverTheWholeJitter(t *testing.T) {
	const clients = 10_000
	var tenths [10]int
	came := make(map[string]int)
	for range clients {
		gateways := threeGateways()
		pause := gateways.Next(drainedLink(), 0)
		expectPause(t, pause, 0, time.Second)
		tenths[min(pause*10/time.Second, 9)]++
		came[gateways.Address()]++
	}
	if came["a:1"] != 0 || came["b:1"] < clients*4/10 || came["c:1"] < clients*4/10 {
		t.Error(came)
	}
	for _, within := range tenths {
		if within < clients*7/100 || within > clients*13/100 {
			t.Error(tenths)
		}
	}
}

func TestFailuresBeforeADrainMakeNoPauseLonger(t *testing.T) {
	gateways := threeGateways()
	for range 10 {
		gateways.Next(&ConnectError{Err: errors.New("nobody listens")}, 0)
	}
	expectPause(t, gateways.Next(drainedLink(), 0), 0, time.Second)
	expectPause(t, gateways.Next(&ConnectError{Err: errors.New("nobody listens")}, 0), 50*time.Millisecond, 100*time.Millisecond)
}

func TestEveryOtherGatewayIsAskedOnceBeforePausesGrowWhileAllDrain(t *testing.T) {
	gateways := threeGateways()
	asked := map[string]bool{gateways.Address(): true}
	why := drainedLink()
	for range 2 {
		expectPause(t, gateways.Next(why, 0), 0, time.Second)
		if asked[gateways.Address()] {
			t.Fatalf("%s was asked before: %v", gateways.Address(), asked)
		}
		asked[gateways.Address()] = true
		why = refusedConnect(session.StatusDraining)
	}
	var longest time.Duration
	for range 60 {
		longest = max(longest, gateways.Next(why, 0))
	}
	expectPause(t, longest, 5*time.Second, 11*time.Second)
}

func TestTheOnlyGatewayIsAskedAgainAfterJitterAndAGrowingPause(t *testing.T) {
	gateways := &Gateways{Addresses: []string{"a:1"}, DrainJitter: -1}
	expectPause(t, gateways.Next(drainedLink(), 0), 50*time.Millisecond, 101*time.Millisecond)
	for range 10 {
		gateways.Next(refusedConnect(session.StatusDraining), 0)
		if gateways.Address() != "a:1" {
			t.Fatal(gateways.Address())
		}
	}
	expectPause(t, gateways.Next(refusedConnect(session.StatusDraining), 0), 5*time.Second, 11*time.Second)
}

func TestAPlainLinkThatTheGatewayEndsMayHaveDrainedAndSoGoesElsewhere(t *testing.T) {
	gateways := threeGateways()
	ended := &LinkError{End: LinkGateway}
	gateways.Next(ended, 0)
	if gateways.Address() == "a:1" {
		t.Error("it stays")
	}
	// Nothing says that it has, so links that end at once are no way around the back-off.
	for range 10 {
		gateways.Next(ended, 0)
	}
	expectPause(t, gateways.Next(ended, 0), 5*time.Second, 11*time.Second)
}

func TestANetworkThatFailsIsNoReasonToLeaveTheGatewayAndOneThatIsNotReachedIs(t *testing.T) {
	gateways := threeGateways()
	expectPause(t, gateways.Next(&LinkError{End: LinkSilent, Err: ErrSilent}, 0), 50*time.Millisecond, 100*time.Millisecond)
	if gateways.Address() != "a:1" {
		t.Errorf("it is at %s", gateways.Address())
	}
	overloaded := &ConnectError{Err: &SessionError{End: SessionRefused, Status: 7, RetryAfter: time.Second}}
	expectPause(t, gateways.Next(overloaded, 0), time.Second, 3*time.Second/2+1)
	if gateways.Address() == "a:1" {
		t.Error("it stays")
	}
}

func TestAnEmptyListHasNoAddress(t *testing.T) {
	var gateways Gateways
	gateways.Next(drainedLink(), 0)
	if gateways.Address() != "" {
		t.Error(gateways.Address())
	}
}
