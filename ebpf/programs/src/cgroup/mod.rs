//! Socket programs of the tree's cgroup: addresses before the kernel uses them, whichever call carries them (connect,
//! Fast Open, MPTCP, io_uring), for sockets that were made inside the cgroup.

mod address;
mod dns;
