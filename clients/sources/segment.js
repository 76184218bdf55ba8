// A destination function of Segment: track events become exposures and rewards of Fulcrum.
//
// Settings: url (text), apiKey (secret), rewards (map: name of the event -> name of the reward, and after a | the property that is its
// value, as in "Order Completed" -> "purchase|revenue").
//
// An exposure is an "Experiment Viewed" whose experiment_id is the optimization and whose variant has a level for each factor.

function fulcrumEvent(event, settings) {
  const properties = event.properties || {};
  const common = { anonymous_id: event.anonymousId || event.userId, timestamp: event.timestamp, idempotency_key: event.messageId };
  if (event.event === "Experiment Viewed") {
    // Experiments of other tools have no variant of ours.
    if (!properties.variant) return null;
    const { experiment_id: optimization_id, variant, context, posterior_version, propensity, holdout } = properties;
    return { path: "exposures", event: { ...common, optimization_id, variant, context, posterior_version, propensity, holdout } };
  }
  const reward = (settings.rewards || {})[event.event];
  if (!reward) return null;
  const [name, property] = reward.split("|");
  const value = property ? Number(properties[property]) : undefined;
  return { path: "rewards", event: { ...common, name, value: Number.isFinite(value) ? value : undefined } };
}

async function deliver(path, events, settings) {
  let answer;
  try {
    answer = await fetch(`${settings.url}/api/v2/ingest/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": settings.apiKey },
      body: JSON.stringify({ events }),
    });
  } catch (error) {
    throw new RetryError(error.message);
  }
  const text = await answer.text();
  // Segment sends the same events again, with the same ids: they count once.
  if (answer.status === 429 || answer.status >= 500) throw new RetryError(`${answer.status} ${text}`);
  if (answer.status !== 200) throw new InvalidEventPayload(`${answer.status} ${text}`);
}

async function onTrack(event, settings) {
  const mapped = fulcrumEvent(event, settings);
  if (!mapped) throw new EventNotSupported(`${event.event} is neither an exposure nor one of the rewards`);
  await deliver(mapped.path, [mapped.event], settings);
}

async function onBatch(events, settings) {
  const mapped = events.filter(({ type }) => type === "track").map((event) => fulcrumEvent(event, settings)).filter(Boolean);
  for (const path of ["exposures", "rewards"]) {
    const ours = mapped.filter((one) => one.path === path).map((one) => one.event);
    // A request takes 500.
    for (let from = 0; from < ours.length; from += 500) await deliver(path, ours.slice(from, from + 500), settings);
  }
}
