//go:build !linux

package bench

import (
	"syscall"
	"time"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

func (c *child) cpu() time.Duration { return 0 }

func (c *child) peakRSS() float64 { return 0 }
