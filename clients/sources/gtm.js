// The code of a tag template of a server container of Google Tag Manager: events of the container become events of Fulcrum.
//
// Fields of the template: url (text), apiKey (text), rewards (a table of event_name, reward and value, the parameter that is its value).
// Permissions: reads all event data, sends HTTP requests to the url. Trigger: the events of the table and experiment_viewed.
//
// An exposure is an experiment_viewed whose experiment_id is the optimization and whose variant has a level for each factor, as an
// object or as JSON. The visitor is the event's client_id; serve the same one.

const getAllEventData = require('getAllEventData');
const sendHttpRequest = require('sendHttpRequest');
const logToConsole = require('logToConsole');
const makeNumber = require('makeNumber');
const getType = require('getType');
const JSON = require('JSON');

const source = getAllEventData();
const parsed = (value) => (getType(value) === 'string' ? JSON.parse(value) : value);
const event = { anonymous_id: source.client_id };
// Without an id of the event, two requests of the page are two events.
if (source.event_id) event.idempotency_key = source.event_id;
let path;

if (source.event_name === 'experiment_viewed') {
  path = 'exposures';
  event.optimization_id = source.experiment_id;
  event.variant = parsed(source.variant);
  event.context = parsed(source.context);
  event.posterior_version = source.posterior_version;
  event.propensity = source.propensity;
  event.holdout = source.holdout;
} else {
  const rows = (data.rewards || []).filter((row) => row.event_name === source.event_name);
  if (rows.length > 0) {
    path = 'rewards';
    event.name = rows[0].reward;
    if (rows[0].value) event.value = makeNumber(source[rows[0].value]);
  }
}

if (path) {
  const options = { method: 'POST', headers: { 'content-type': 'application/json', 'x-api-key': data.apiKey }, timeout: 5000 };
  sendHttpRequest(data.url + '/api/v2/ingest/' + path, (status, headers, body) => {
    if (status === 200) return data.gtmOnSuccess();
    logToConsole('Fulcrum answered ' + status + ': ' + body);
    data.gtmOnFailure();
  }, options, JSON.stringify({ events: [event] }));
} else {
  logToConsole('Fulcrum: ' + source.event_name + ' is neither an exposure nor one of the rewards');
  data.gtmOnSuccess();
}
