//! The servers that the ignored tests run, each with the least configuration that makes it pause, or work at
//! all.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::certificates::Certificate;
use super::configuration::Configuration;
use super::fetched;
use super::servers::{Server, free_port};

/// A server's own files, and what it runs with.
struct Setting<'a> {
    configuration: &'a Configuration,
    folder: PathBuf,
    certificate: Certificate,
    port: u16,
}

impl<'a> Setting<'a> {
    fn new(configuration: &'a Configuration, name: &str) -> Self {
        let folder = configuration.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let certificate = Certificate::new(&folder, configuration.certificate);
        Self { configuration, folder, certificate, port: free_port() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn start(&self, command: &mut Command) -> Server {
        Server::start(command.current_dir(&self.folder), self.port, &self.folder.join("log"))
    }
}

/// A program of this system, which may lie where only root looks for programs.
fn system(configuration: &Configuration, name: &str) -> Command {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    configuration.program(found.unwrap_or_else(|| name.into()))
}

/// A program of the next Debian.
fn next(configuration: &Configuration, name: &str) -> Command {
    let mut command = configuration.program(fetched("next/run"));
    command.arg(name);
    command
}

/// Which release of the system a program comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    System,
    Next,
}

impl From {
    fn program(self, configuration: &Configuration, name: &str) -> Command {
        match self {
            Self::System => system(configuration, name),
            Self::Next => next(configuration, name),
        }
    }
}

/// HAProxy in one process with asynchronous handshakes. It answers by itself.
pub(crate) fn haproxy(configuration: &Configuration, from: From) -> Server {
    patient_haproxy(configuration, from, 10)
}

/// HAProxy that gives a client so many seconds for the next step, also of a handshake.
pub(crate) fn patient_haproxy(configuration: &Configuration, from: From, seconds: u32) -> Server {
    let setting = Setting::new(configuration, "haproxy");
    let file = setting.file(
        "haproxy.cfg",
        &format!(
            "global
    ssl-mode-async
    # Its table of fds counts engines and not providers: there is room for an fd a paused connection.
    maxconn 2000
    nbthread 1
defaults
    mode http
    timeout client {seconds}s
    timeout server 10s
    timeout connect 5s
frontend tls
    maxconn 500
    bind 127.0.0.1:{} ssl crt {}
    http-request return status 200 content-type text/plain string ok
",
            setting.port,
            setting.certificate.both.display()
        ),
    );
    setting.start(from.program(configuration, "haproxy").args(["-db", "-f"]).arg(file))
}

/// Traffic Server in one process with asynchronous handshakes. It answers every request with status 404.
pub(crate) fn traffic_server(configuration: &Configuration) -> Server {
    patient_traffic_server(configuration, 0)
}

/// Traffic Server that gives a client so many seconds for its handshake; 0 sets no limit.
pub(crate) fn patient_traffic_server(configuration: &Configuration, seconds: u32) -> Server {
    let setting = Setting::new(configuration, "trafficserver");
    let folder = setting.folder.display().to_string();
    // What the package brings and this test does not change.
    for file in fs::read_dir("/etc/trafficserver").unwrap().map(|file| file.unwrap().path()) {
        let to = setting.folder.join("etc").join(file.file_name().unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if file.is_file() {
            fs::copy(&file, to).unwrap();
        } else {
            copy_folder(&file, &to);
        }
    }
    for name in ["remap.config", "plugin.config"] {
        setting.file(&format!("etc/{name}"), "");
    }
    setting.file("etc/ssl_multicert.config", "dest_ip=* ssl_cert_name=server.crt ssl_key_name=server.key\n");
    setting.file("etc/storage.config", "var/cache 16M\n");
    for name in ["var/run", "var/log", "var/cache"] {
        fs::create_dir_all(setting.folder.join(name)).unwrap();
    }
    let values = [
        ("admin.user_id", "STRING #-1".to_owned()),
        ("exec_thread.autoconfig", "INT 0".to_owned()),
        ("exec_thread.limit", "INT 1".to_owned()),
        ("accept_threads", "INT 0".to_owned()),
        ("cache.ram_cache.size", "INT 1M".to_owned()),
        ("http.server_ports", format!("STRING {}:ssl:ip-in=127.0.0.1", setting.port)),
        ("http.cache.http", "INT 0".to_owned()),
        ("ssl.server.cert.path", format!("STRING {folder}")),
        ("ssl.server.private_key.path", format!("STRING {folder}")),
        ("ssl.async.handshake.enabled", "INT 1".to_owned()),
        ("ssl.handshake_timeout_in", format!("INT {seconds}")),
        ("log.logging_enabled", "INT 0".to_owned()),
        ("diags.output.diag", "STRING E".to_owned()),
        ("diags.output.error", "STRING E".to_owned()),
        ("diags.output.warning", "STRING E".to_owned()),
        ("diags.output.fatal", "STRING E".to_owned()),
        ("url_remap.remap_required", "INT 1".to_owned()),
    ];
    let lines: Vec<_> =
        values.iter().map(|(key, value)| format!("CONFIG proxy.config.{key} {value}\n")).collect();
    setting.file("etc/records.config", &lines.concat());
    let root = setting.file(
        "runroot.yaml",
        &format!(
            "prefix: {folder}
exec_prefix: {folder}
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: {folder}/etc
datadir: {folder}/var
includedir: /usr/include
libdir: /usr/lib
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {folder}/var
runtimedir: {folder}/var/run
logdir: {folder}/var/log
cachedir: {folder}/var/cache
"
        ),
    );
    setting.start(system(configuration, "traffic_server").arg(format!("--run-root={}", root.display())))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
        let target = to.join(file.file_name().unwrap());
        if file.is_dir() { copy_folder(&file, &target) } else { fs::copy(&file, target).map(drop).unwrap() }
    }
}

/// dnsdist with asynchronous DNS over TLS. It answers every query with 192.0.2.1.
pub(crate) fn dnsdist(configuration: &Configuration) -> Server {
    let setting = Setting::new(configuration, "dnsdist");
    let file = setting.file(
        "dnsdist.conf",
        &format!(
            "setSecurityPollSuffix(\"\")
newServer(\"127.0.0.1:{}\")
addAction(AllRule(), SpoofAction(\"192.0.2.1\"))
addTLSLocal(\"127.0.0.1:{}\", \"{}\", \"{}\", {{ provider=\"openssl\", minTLSVersion=\"tls1.2\", tlsAsyncMode=true }})
setLocal(\"127.0.0.1:{}\")
",
            free_port(),
            setting.port,
            setting.certificate.certificate.display(),
            setting.certificate.key.display(),
            free_port(),
        ),
    );
    setting.start(next(configuration, "dnsdist").args(["--supervised", "-C"]).arg(file))
}

/// nginx with two workers. It answers `/` by itself and `/file` with a file.
pub(crate) fn nginx(configuration: &Configuration, file: &[u8]) -> Server {
    let setting = Setting::new(configuration, "nginx");
    fs::write(setting.folder.join("file"), file).unwrap();
    let folder = setting.folder.display();
    // Workers of root would become somebody who may not read the folder.
    let root = fs::metadata(&setting.folder).unwrap().uid() == 0;
    let user = if root { "user root;" } else { "" };
    let file = setting.file(
        "nginx.conf",
        &format!(
            "{user}
daemon off;
worker_processes 2;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{} ssl;
        ssl_certificate {};
        ssl_certificate_key {};
        ssl_protocols TLSv1.2 TLSv1.3;
        root {folder};
        location = / {{ return 200 ok; }}
    }}
}}
",
            setting.port,
            setting.certificate.certificate.display(),
            setting.certificate.key.display(),
        ),
    );
    let mut server = setting.start(system(configuration, "nginx").arg("-c").arg(file));
    // It listens before its workers are there.
    while server.workers().len() < 2 {
        server.assert_alive();
        thread::sleep(Duration::from_millis(5));
    }
    server
}

/// stunnel in front of a server of this process, which answers every request.
pub(crate) fn stunnel(configuration: &Configuration) -> Server {
    let setting = Setting::new(configuration, "stunnel");
    let behind = answering_server();
    let file = setting.file(
        "stunnel.conf",
        &format!(
            "foreground = yes
pid =
[tls]
accept = 127.0.0.1:{}
connect = 127.0.0.1:{behind}
cert = {}
",
            setting.port,
            setting.certificate.both.display(),
        ),
    );
    setting.start(system(configuration, "stunnel").arg(file))
}

/// `openssl s_server`, asynchronous, which sends back what it is sent.
pub(crate) fn s_server(configuration: &Configuration, mut openssl: Command, arguments: &[&str]) -> Server {
    let setting = Setting::new(configuration, "s_server");
    openssl.args(["s_server", "-async", "-quiet", "-accept", &format!("127.0.0.1:{}", setting.port)]);
    openssl.arg("-cert").arg(&setting.certificate.certificate);
    openssl.arg("-key").arg(&setting.certificate.key).args(arguments);
    setting.start(&mut openssl)
}

/// A server without TLS that answers until this process ends. Returns its port.
fn answering_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut request = [0; 4096];
                // stunnel connects for a client that has gone, too.
                if connection.read(&mut request).is_ok_and(|length| length > 0) {
                    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
                }
            });
        }
    });
    port
}
