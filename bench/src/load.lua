-- What wrk does: sends `path` with each of `values` in the header `header` in turn, and prints how many were answered
-- and the latencies, in microseconds, at `steps` equal steps of their share. These names are set in front of this text.
local requests, at = {}, 0

function init()
  for i, value in ipairs(values) do
    requests[i] = wrk.format("GET", path, { [header] = value })
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  io.write("answered: ", summary.requests, "\n")
  for step = 0, steps do
    local share = math.max(0.001, math.min(step * 100 / steps, 99.999))
    io.write("at ", step, ": ", latency:percentile(share), "\n")
  end
end
