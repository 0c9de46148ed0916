// Drives the service at OS_AUTH_URL with gophercloud as it is: create, stop, start, resize, delete.
package main

import (
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/startstop"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
)

const patience = 30 // seconds

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func main() {
	options, err := openstack.AuthOptionsFromEnv()
	must("options", err)
	provider, err := openstack.AuthenticatedClient(options)
	must("log in", err)
	region := gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}
	compute, err := openstack.NewComputeV2(provider, region)
	must("find compute", err)
	compute.Microversion = "2.96"

	server, err := servers.Create(compute, servers.CreateOpts{
		Name: "gopher", FlavorRef: os.Args[1], ImageRef: os.Args[2], Networks: "none",
	}).Extract()
	must("create", err)
	wait := func(status string) {
		must("wait for "+status, servers.WaitForStatus(compute, server.ID, status, patience))
		fmt.Println(status)
	}
	wait("ACTIVE")
	must("stop", startstop.Stop(compute, server.ID).ExtractErr())
	wait("SHUTOFF")
	if _, refused := startstop.Stop(compute, server.ID).ExtractErr().(gophercloud.ErrDefault409); !refused {
		fmt.Fprintln(os.Stderr, "stop of a stopped server: no 409")
		os.Exit(1)
	}
	must("start", startstop.Start(compute, server.ID).ExtractErr())
	wait("ACTIVE")
	must("resize", servers.Resize(compute, server.ID, servers.ResizeOpts{FlavorRef: os.Args[3]}).ExtractErr())
	wait("VERIFY_RESIZE")
	must("confirm", servers.ConfirmResize(compute, server.ID).ExtractErr())
	wait("ACTIVE")
	must("delete", servers.Delete(compute, server.ID).ExtractErr())
	_, err = servers.Get(compute, server.ID).Extract()
	for err == nil {
		_, err = servers.Get(compute, server.ID).Extract()
	}
	if _, gone := err.(gophercloud.ErrDefault404); !gone {
		must("delete", err)
	}
	fmt.Println("gone")
}
