# Varnish, which adds Age and Via itself; key check, a cache key of the same parts, the headers of the others.
# It has no maker of UUIDs: the number of its transaction stands for the correlation id.
vcl 4.1;
import std;
backend api { .host = "127.0.0.1"; .port = "${upstream}"; }
sub vcl_recv {
    if (req.http.X-Api-Key != "${key}") { return (synth(401)); }
    unset req.http.X-Api-Key;
    if (req.http.x-correlation-id !~ "^[A-Za-z0-9._-]{1,128}$$") { set req.http.x-correlation-id = req.xid; }
}
sub vcl_hash {
    hash_data(req.http.Accept);
    hash_data(req.http.Prefer);
    hash_data(req.http.repository-id);
    hash_data(req.http.Include-User-Metadata);
}
sub vcl_backend_fetch { set bereq.http.Authorization = "Bearer ${token}"; }
sub vcl_backend_response { set beresp.ttl = 1h; }
sub vcl_deliver {
    set resp.http.x-correlation-id = req.http.x-correlation-id;
    if (obj.hits > 0) {
        set resp.http.Cache-Status = "varnish; hit; ttl=" + std.integer(duration = obj.ttl, fallback = 0);
    } else {
        set resp.http.Cache-Status = "varnish; fwd=uri-miss";
    }
}
