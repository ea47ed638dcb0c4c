// What all peers share: how one tells who started it that it is ready, and when it ends.

// How many clients there are, each with a header of its own.
export const CLIENTS = 64;

// Takes over the listening server: prints its port and the clients' header values as one line of JSON. Ends when the
// standard input does, so no peer outlives the benchmark.
export function ready(server, values) {
  console.log(JSON.stringify({ port: server.address().port, values }));
  process.stdin.resume().on("end", () => process.exit());
}

// A server of this handler on a free port, once it listens.
export function listening(server) {
  return new Promise((resolve, reject) => {
    const started = server.listen(0, "127.0.0.1", (error) => (error ? reject(error) : resolve(started)));
  });
}
