// A transformation of RudderStack in front of a webhook destination: track events become requests to Fulcrum.
//
// The webhook: URL https://YOUR-FULCRUM/api/v2/ingest, method POST, header X-API-Key with a key of the scope events:write.
//
// An exposure is an "Experiment Viewed" whose experiment_id is the optimization and whose variant has a level for each factor.

/** Which events are rewards: the name of the reward, and the property that is its value. */
const REWARDS = {
  "Order Completed": { name: "purchase", value: "revenue" },
  "Signed Up": { name: "signup" },
};

export function transformEvent(event) {
  if (event.type !== "track") return undefined;
  const properties = event.properties || {};
  const common = {
    anonymous_id: event.anonymousId || event.userId,
    timestamp: event.originalTimestamp || event.timestamp,
    idempotency_key: event.messageId,
  };
  if (event.event === "Experiment Viewed") {
    // Experiments of other tools have no variant of ours.
    if (!properties.variant) return undefined;
    const { experiment_id: optimization_id, variant, context, posterior_version, propensity, holdout } = properties;
    const exposure = { ...common, optimization_id, variant, context, posterior_version, propensity, holdout };
    return { appendPath: "/exposures", events: [exposure] };
  }
  const reward = REWARDS[event.event];
  if (!reward) return undefined;
  const value = reward.value ? Number(properties[reward.value]) : undefined;
  return { appendPath: "/rewards", events: [{ ...common, name: reward.name, value: Number.isFinite(value) ? value : undefined }] };
}
