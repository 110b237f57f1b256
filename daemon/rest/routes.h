#pragma once

/* The handlers of the REST API (routes-*.c). */

#include "daemon/rest/request.h"

void rest_get_id(RestRequest *request);
void rest_get_version(RestRequest *request);
void rest_get_peers(RestRequest *request);
void rest_post_peers(RestRequest *request);
void rest_delete_peer(RestRequest *request);
void rest_post_add(RestRequest *request);
void rest_get_allocations(RestRequest *request);
void rest_post_allocations(RestRequest *request);
void rest_get_allocation(RestRequest *request);
void rest_get_pinlist(RestRequest *request);
void rest_get_pins(RestRequest *request);
void rest_post_sync_all(RestRequest *request);
void rest_post_recover_all(RestRequest *request);
void rest_post_sync(RestRequest *request);
void rest_post_recover(RestRequest *request);
void rest_get_pin(RestRequest *request);
void rest_post_pin(RestRequest *request);
void rest_delete_pin(RestRequest *request);
void rest_post_pin_path(RestRequest *request);
void rest_delete_pin_path(RestRequest *request);
void rest_post_gc(RestRequest *request);
void rest_get_graph(RestRequest *request);
void rest_get_alerts(RestRequest *request);
void rest_get_bandwidth(RestRequest *request);
void rest_get_metric(RestRequest *request);
void rest_get_metric_names(RestRequest *request);
void rest_post_token(RestRequest *request);
void rest_get_health(RestRequest *request);
